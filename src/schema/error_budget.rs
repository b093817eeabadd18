//! The errors of one response, bounded in bytes.

use async_graphql::{ServerError, Value};

use super::error::FieldError;

/// Bytes of a response's errors. The same size again is reserved for errors of writes.
const MAX_ERRORS: usize = 64 * 1024;

/// Counts the errors of one response.
#[derive(Debug, Default)]
pub(super) struct ErrorBudget {
    /// The number of errors that are counted and delivered.
    kept: usize,
    bytes: usize,
    omitted: usize,
}

impl ErrorBudget {
    /// Whether there is room for another error; if not, it is counted as left out.
    pub(super) fn has_room_or_omit(&mut self) -> bool {
        let has_room = self.bytes < MAX_ERRORS;
        self.omitted += usize::from(!has_room);
        has_room
    }

    /// Removes the errors after the counted ones for which there is no room.
    pub(super) fn limit(&mut self, errors: &mut Vec<ServerError>) {
        // A subscription takes the errors of each event out.
        let counted = self.kept.min(errors.len());
        if counted == errors.len() {
            return;
        }
        let new = errors.split_off(counted);
        for error in new {
            if self.admits(&error) {
                errors.push(error);
            } else {
                self.omitted += 1;
            }
        }
        self.kept = errors.len();
    }

    /// The errors for which there is room, and the number of the others.
    pub(super) fn finish(&mut self, mut errors: Vec<ServerError>) -> Vec<ServerError> {
        // Those that were counted are counted again: the library adds one in front of them.
        (self.kept, self.bytes) = (0, 0);
        self.limit(&mut errors);
        if self.omitted > 0 {
            let more = async_graphql::Error::from(FieldError::errors_omitted(self.omitted, MAX_ERRORS));
            errors.push(ServerError {
                message: more.message,
                source: None,
                locations: Vec::new(),
                path: Vec::new(),
                extensions: more.extensions,
            });
        }
        errors
    }

    /// The outcome of a write itself is always delivered.
    fn admits(&mut self, error: &ServerError) -> bool {
        let tells_outcome = error.extensions.as_ref().is_some_and(|extensions| {
            extensions.get("outcome").is_some_and(|outcome| *outcome != Value::Null)
        });
        let is_of_root = error.path.len() <= 1;
        let most = if tells_outcome { 2 * MAX_ERRORS } else { MAX_ERRORS };
        if self.bytes >= most && !is_of_root {
            return false;
        }
        let bytes = self.bytes.saturating_add(length(error));
        if bytes > most && !is_of_root {
            return false;
        }
        self.bytes = bytes;
        true
    }
}

/// Bytes of an error in the response.
fn length(error: &ServerError) -> usize {
    let mut length = Length(1);
    // Writing to it never fails.
    let _ = serde_json::to_writer(&mut length, error);
    length.0
}

/// Counts the bytes written to it.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{PathSegment, Pos, ServerError};

    use super::{ErrorBudget, MAX_ERRORS};
    use crate::graph::Outcome;
    use crate::schema::error::{ErrorCode, FieldError};

    fn error(path: usize, message: usize, outcome: Option<Outcome>) -> ServerError {
        let error = FieldError::new(ErrorCode::UpstreamError, "x".repeat(message));
        let error = match outcome {
            Some(outcome) => error.with_outcome(outcome),
            None => error,
        };
        let error = async_graphql::Error::from(error).into_server_error(Pos::default());
        ServerError { path: (0..path).map(PathSegment::Index).collect(), ..error }
    }

    fn size(errors: &[ServerError]) -> usize {
        serde_json::to_string(errors).unwrap().len()
    }

    #[test]
    fn errors_within_the_bound_are_all_delivered() {
        let errors: Vec<_> = (0..100).map(|_| error(3, 100, None)).collect();
        let delivered = ErrorBudget::default().finish(errors.clone());
        assert_eq!(delivered, errors);
    }

    #[test]
    fn errors_beyond_the_bound_are_counted_and_the_outcomes_of_writes_are_kept() {
        let mut budget = ErrorBudget::default();
        let mut errors: Vec<_> = (0..1000).map(|_| error(3, 100, None)).collect();
        budget.limit(&mut errors);
        let plain = errors.len();
        errors.extend((0..10).map(|_| error(1, 1000, Some(Outcome::Unknown))));
        errors.extend((0..1000).map(|_| error(3, 100, Some(Outcome::Applied))));
        budget.limit(&mut errors);
        let delivered = budget.finish(errors);
        let last = delivered.last().unwrap();
        let with_outcome = |path: usize| {
            delivered.iter().filter(|error| error.path.len() == path && error.message.len() > 99).count()
        };
        assert_eq!(with_outcome(1), 10);
        let applied = with_outcome(3) - plain;
        assert!(applied > 100, "{applied}");
        let omitted = 2010 - (delivered.len() - 1);
        assert_eq!(
            last.message,
            format!(
                "{omitted} further errors are not listed: the errors of a response are limited to 65536 bytes."
            )
        );
        assert!(size(&delivered) < 2 * MAX_ERRORS + 11 * 1200, "{}", size(&delivered));
    }

    #[test]
    fn one_error_of_a_field_deep_down_that_is_too_long_is_left_out_alone() {
        let delivered = ErrorBudget::default().finish(vec![
            error(2, 10, None),
            error(2, MAX_ERRORS, None),
            error(2, 10, None),
        ]);
        assert_eq!(delivered.len(), 3);
        assert!(
            delivered[2].message.starts_with("1 further error is not listed"),
            "{}",
            delivered[2].message
        );
    }
}
