/** Thrown where what files hold cannot be told. The message says why, for the user. */
export class FilesUnknown extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FilesUnknown';
  }
}
