/** Why a stage cannot be handed to an agent: it fails with this code and message. */
export class StageFault extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'StageFault';
    this.code = code;
  }
}
