import { z } from 'zod';
import { type IdPrefix, isId } from './ids.ts';

const message =
  'is no cursor of this list: give the "nextCursor" of the page before, or leave it out for the first page';

/** Where a page of a list goes on whose entries are known by their ids: behind this one. */
export const idCursor = (prefix: IdPrefix) =>
  z
    .string()
    .max(200)
    .refine((text) => isId(prefix, text), { message })
    .optional();

/** The same of a list whose entries are numbered. */
export const numberCursor = z
  .string()
  .regex(/^\d{1,15}$/, { message })
  .optional();
