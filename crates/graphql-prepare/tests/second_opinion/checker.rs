//! Whether two judges agree, and if not, whether the difference is a known one.

use super::{
    bounds,
    differences::{Accepts, KNOWN, KnownDifference},
    judges::{Case, Judge, Reason, Verdict},
};

/// What comes of a comparison.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Both accept the request.
    BothAccept,
    /// Both reject it.
    BothReject,
    /// One accepts it, and each reason of the other is a known difference.
    Known(Vec<&'static str>),
    /// A judge's limit is exceeded, and nothing was compared.
    NotCompared,
}

/// Compares the verdicts of two judges on a request.
///
/// # Errors
///
/// A report with the request, if they differ in a way that is not listed in [`KNOWN`].
pub(crate) fn compare(case: &Case, ours: Judge, theirs: Judge) -> Result<Outcome, String> {
    if !bounds::admits(&case.document) {
        return Ok(Outcome::NotCompared);
    }
    let (ours, theirs) = (ours(case), theirs(case));
    let (accepts, reasons) = match (&ours, &theirs) {
        (Verdict::TooLarge, _) | (_, Verdict::TooLarge) => return Ok(Outcome::NotCompared),
        (Verdict::Valid, Verdict::Valid) => return Ok(Outcome::BothAccept),
        (Verdict::Invalid(_), Verdict::Invalid(_)) => return Ok(Outcome::BothReject),
        (Verdict::Valid, Verdict::Invalid(reasons)) => (Accepts::GraphqlPrepare, reasons),
        (Verdict::Invalid(reasons), Verdict::Valid) => (Accepts::ApolloCompiler, reasons),
    };
    let known = reasons.iter().map(|reason| explain(case, accepts, reason).ok_or(reason));
    match known.collect::<Result<Vec<_>, _>>() {
        Ok(known) => Ok(Outcome::Known(known.iter().map(|difference| difference.name).collect())),
        Err(reason) => Err(format!(
            "only {accepts:?} accepts this request, and no known difference explains the other's reason\n\
             reason: {} at {:?}\nschema: {}\ndocument:\n{}\nvariables: {}",
            reason.message,
            reason.offsets,
            case.schema.name,
            case.document,
            serde_json::Value::Object(case.variables.clone()),
        )),
    }
}

/// The known difference that a reason of the rejecting judge belongs to.
fn explain(case: &Case, accepts: Accepts, reason: &Reason) -> Option<&'static KnownDifference> {
    KNOWN.iter().find(|difference| difference.accepts == accepts && (difference.explains)(case, reason))
}
