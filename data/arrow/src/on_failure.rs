//! What happens if an input fails.

/// What happens if an input fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum OnFailure {
    /// The scan ends with an error. The rows of all inputs before the failed one are returned
    /// first. If the failed input has more than 2 MiB of rows, some of them may be returned too.
    #[default]
    Fail,
    /// The scan continues without the input, which [`Batches::failures`](crate::Batches::failures)
    /// lists.
    Skip,
}
