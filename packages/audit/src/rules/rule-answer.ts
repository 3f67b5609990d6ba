import { answersLater } from '../answers-later.ts';

/** What a function of a rule answered. @throws TypeError if that is a promise */
export function ruleAnswer<Answer>(answer: Answer): Answer {
  if (typeof answer === 'object' && answer !== null && answersLater(answer)) {
    throw new TypeError('a rule must answer at once, and not with a promise');
  }
  return answer;
}
