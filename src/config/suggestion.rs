//! Suggestions for misspelt names.

/// The least similarity of a name that is suggested, 0 to 1.
const MIN_SIMILARITY: f64 = 0.8;

/// The most similar of the known names, if any is similar.
pub(super) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let similarities = known.map(|known| (strsim::jaro_winkler(known, name), known));
    let nearest = similarities.max_by(|(left, _), (right, _)| left.total_cmp(right))?;
    (nearest.0 >= MIN_SIMILARITY).then_some(nearest.1)
}
