//! What a call may cost before it has been made, and what it has cost.

use broker::Usage;
use store::{Limit, LimitState};

use crate::config::Price;

/// The instructions, and what the protocol adds to a question.
const OVERHEAD_TOKENS: u64 = 1_024;

/// Fewer bytes of text than a token has on average, so that the estimate is rather too high.
const BYTES_PER_TOKEN: u64 = 3;

/// An answer of less is none.
const MIN_ANSWER_TOKENS: u64 = 64;

/// Tokens that a price is for.
const PRICE_TOKENS: u128 = 1_000_000;

/// What a call is going to need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// `None` where no model is asked.
    pub model: Option<String>,
    /// Of the texts that go to it.
    pub text_bytes: usize,
    /// Whether the model may call skills, whose results go to it too.
    pub has_tools: bool,
}

impl Need {
    fn input_tokens(&self) -> u64 {
        let bytes = u64::try_from(self.text_bytes).unwrap_or(u64::MAX);
        bytes
            .div_ceil(BYTES_PER_TOKEN)
            .saturating_add(OVERHEAD_TOKENS)
    }

    /// The worst case: the whole question, and the longest answer. With tools the question is asked again
    /// after each call.
    pub(super) fn most_tokens(&self, answer_tokens: u64) -> u64 {
        if self.model.is_none() {
            return 0;
        }
        let rounds = if self.has_tools { 4 } else { 1 };
        let input = self.input_tokens().saturating_mul(rounds);
        input.saturating_add(answer_tokens)
    }

    /// What so many tokens cost at most, in millionths.
    pub(super) fn cost(&self, tokens: u64, price: Price) -> u64 {
        let input = self.input_tokens().min(tokens);
        sum(&[(input, price.input), (tokens - input, price.output)])
    }

    /// The tokens that are left under a limit, if an answer can be made of them.
    pub(super) fn within(&self, state: &LimitState, price: Option<Price>) -> Option<u64> {
        let input = self.input_tokens();
        let left = match (state.limit, price) {
            (Limit::TokensPerDay | Limit::TokensPerMonth, _) => state.remaining,
            (Limit::CostMicrosPerMonth, Some(price)) => {
                let question = sum(&[(input, price.input)]);
                let answer = u128::from(state.remaining.checked_sub(question)?) * PRICE_TOKENS;
                let answer = answer.checked_div(u128::from(price.output)).unwrap_or(0);
                input.saturating_add(u64::try_from(answer).unwrap_or(u64::MAX))
            }
            _ => return None,
        };
        (self.model.is_some() && left >= input.saturating_add(MIN_ANSWER_TOKENS)).then_some(left)
    }
}

/// What a call has cost, in millionths.
pub(super) fn cost(usage: &Usage, price: Price) -> u64 {
    let cached = usage.cached_input_tokens.min(usage.input_tokens);
    sum(&[
        (usage.input_tokens - cached, price.input),
        (cached, price.cached_input),
        (usage.output_tokens, price.output),
    ])
}

fn sum(parts: &[(u64, u64)]) -> u64 {
    let parts = parts.iter();
    let sum = parts
        .map(|(tokens, price)| u128::from(*tokens) * u128::from(*price))
        .sum::<u128>();
    u64::try_from(sum.div_ceil(PRICE_TOKENS)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use store::Subject;

    use super::*;

    const PRICE: Price = Price {
        input: 150_000,
        cached_input: 75_000,
        output: 600_000,
    };

    fn need() -> Need {
        Need {
            model: Some("model".to_owned()),
            text_bytes: 3_000,
            has_tools: false,
        }
    }

    fn left(limit: Limit, remaining: u64) -> LimitState {
        LimitState {
            subject: Subject::Key,
            limit,
            quota: 1_000_000,
            remaining,
            reset_after: None,
        }
    }

    #[test]
    fn the_cost_is_exact_and_rounded_up() {
        let usage = Usage {
            input_tokens: 1_000,
            cached_input_tokens: 400,
            output_tokens: 100,
            reasoning_tokens: 50,
        };
        assert_eq!(cost(&usage, PRICE), 90 + 30 + 60);
        let one = Usage {
            input_tokens: 1,
            ..Usage::default()
        };
        assert_eq!(cost(&one, PRICE), 1);
    }

    #[test]
    fn what_is_left_is_used_as_far_as_it_makes_an_answer() {
        let input = 1_000 + OVERHEAD_TOKENS;
        let tokens = |remaining| need().within(&left(Limit::TokensPerDay, remaining), None);
        assert_eq!(tokens(input + 500), Some(input + 500));
        assert_eq!(tokens(input + 10), None);
        assert_eq!(
            need().within(&left(Limit::RequestsPerMinute, 0), None),
            None
        );

        let within = need()
            .within(&left(Limit::CostMicrosPerMonth, 1_000), Some(PRICE))
            .unwrap();
        assert!(need().cost(within, PRICE) <= 1_000);
        assert!(need().cost(within + 3, PRICE) > 1_000);
        assert_eq!(
            need().within(&left(Limit::CostMicrosPerMonth, 10), Some(PRICE)),
            None
        );
    }

    #[test]
    fn a_call_without_a_model_needs_no_tokens() {
        assert_eq!(Need::default().most_tokens(16_384), 0);
        assert!(need().most_tokens(16_384) > 16_384);
    }
}
