/// How an answer ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model had said what it had to say.
    Stop,
    /// It was cut at the length that the model may write.
    Length,
    /// The provider's content filter cut it.
    ContentFilter,
    /// The model refused to answer.
    Refusal,
}
