import { randomInt } from 'node:crypto';

const FIRST =
  'able amber brave bright calm clear clever crisp eager early fair fast fine fleet fond frank free fresh glad gentle golden grand happy hardy keen kind light lively lucky mellow merry mild neat nimble noble patient proud quick quiet rare ready round serene sharp silent silver smart smooth steady stout sunny swift thrifty tidy upbeat vivid warm wise witty young';
const SECOND =
  'ant auk bass bear bee bird boar bream carp cat clam cod colt crab crane crow deer doe dove duck eel elk ewe fawn finch fish flea fly foal fowl fox frog gnat goat goose grouse gull hare hawk hen heron jay kit koi lamb lark lynx mare mink mole moth mouse newt owl perch pug ram rat ray roo seal shad shark shrew shrike skunk slug snail snipe stag stoat stork swan tern trout wasp whale wolf wren yak';
const FIRSTS = FIRST.split(' ');
const SECONDS = SECOND.split(' ');

/** A name for a run that nobody has named, which can be said and told apart from others. */
export function randomRunName(): string {
  return `${FIRSTS[randomInt(FIRSTS.length)]}-${SECONDS[randomInt(SECONDS.length)]}-${randomInt(1000)}`;
}
