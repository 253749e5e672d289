/** A start that cannot go on for a reason the user can do something about: its message is all they need to see. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
