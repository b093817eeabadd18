//! Names of the schema in messages: suggestions for a mistyped name, and the members of an enum.
//!
//! They help a developer, and reveal the schema to anybody else. [`TypeSystem::with_suggestions`] turns them on. Messages also
//! name the types of what a request has; [`TypeSystem::without_schema_names`] turns that off.
//!
//! A request gets at most ten errors. For each, a bounded number of bounded names is compared, so that the work for a
//! document of mistakes does not grow with their number.

use std::fmt;

use crate::{
    error::{MAX_NAME_BYTES as MAX_LENGTH, TruncatedName, article},
    path::is_name,
    type_system::{EnumType, TypeSystem},
};

/// Maximum number of names that a message suggests.
const MAX_SUGGESTIONS: usize = 3;
/// Maximum number of names of the schema that one name is compared with.
const MAX_CANDIDATES: usize = 1000;
/// Maximum length, in bytes, of a list of enum members in a message.
const MAX_LIST_BYTES: usize = 200;

impl TypeSystem {
    /// The end of a message about the unknown name `name`: " Did you mean a or b?", or nothing. The names are
    /// compared when it is displayed.
    pub(crate) fn did_you_mean<'a, I>(
        &'a self,
        name: &'a str,
        candidates: impl Fn() -> I + 'a,
    ) -> impl fmt::Display + 'a
    where
        I: Iterator<Item = &'a str>,
    {
        fmt::from_fn(move |f| {
            if !self.suggests {
                return Ok(());
            }
            let similar = similar(name, candidates());
            for (index, candidate) in similar.iter().enumerate() {
                f.write_str(match index {
                    0 => " Did you mean ",
                    _ if index + 1 == similar.len() => " or ",
                    _ => ", ",
                })?;
                f.write_str(candidate)?;
            }
            f.write_str(if similar.is_empty() { "" } else { "?" })
        })
    }

    /// A part of a message that names a part of the schema: nothing if messages have no such names.
    pub(crate) fn unless_hidden(&self, part: fmt::Arguments<'_>) -> String {
        if self.hides_names { String::new() } else { part.to_string() }
    }

    /// The kind of value that an input object needs, with its article.
    pub(crate) fn expected_object(&self, name: &str) -> String {
        if self.hides_names { "an object".to_owned() } else { format!("{} `{name}` object", article(name)) }
    }

    /// A member of an enum, with its article.
    pub(crate) fn expected_member(&self, name: &str) -> String {
        if self.hides_names { "an enum member".to_owned() } else { format!("a member of `{name}`") }
    }

    /// An input object as the subject of a message.
    pub(crate) fn owner(&self, name: &str) -> String {
        if self.hides_names { "the object".to_owned() } else { format!("`{name}`") }
    }

    /// The message that `member` is not a member of an enum: it quotes the name, and lists the members that are allowed
    /// as input.
    pub(crate) fn unknown_member(&self, members: &EnumType, of: &str, member: &str) -> String {
        // Any other text may be a value that was meant for another place, and is not repeated.
        let quoted = if is_name(member) && member.len() <= MAX_LENGTH {
            format!("`{member}`")
        } else {
            "the value".to_owned()
        };
        let of = self.unless_hidden(format_args!(" of {}", TruncatedName(of)));
        let mut message = format!("{quoted} is not a member{of}.");
        if self.suggests {
            let allowed = || members.allowed().map(|name| name.as_str());
            message += &self.did_you_mean(member, allowed).to_string();
            message += &list(allowed());
        }
        message
    }
}

/// " Members: A, B."; a long list is cut.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for name in names {
        if list.len() + name.len() > MAX_LIST_BYTES {
            list += ", …";
            break;
        }
        list += if list.is_empty() { " Members: " } else { ", " };
        list += name;
    }
    list + "."
}

/// The candidates that are nearest to a name, the nearest first.
fn similar<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if name.len() > MAX_LENGTH {
        return Vec::new();
    }
    let max = 1 + name.len() / 3;
    let mut similar: Vec<(usize, &str)> = candidates
        .take(MAX_CANDIDATES)
        .filter(|candidate| candidate.len() <= MAX_LENGTH)
        .filter_map(|candidate| Some((distance(name.as_bytes(), candidate.as_bytes(), max)?, candidate)))
        .collect();
    similar.sort_by_key(|(distance, _)| *distance);
    // A name that is as good as right needs no rivals.
    let nearest = similar.first().map_or(0, |(distance, _)| *distance);
    similar.retain(|(distance, _)| *distance <= nearest + 1);
    similar.truncate(MAX_SUGGESTIONS);
    similar.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The number of letters to insert, delete, replace or swap with the next one, regardless of case; `None` if it is more
/// than `max`.
fn distance(one: &[u8], other: &[u8], max: usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > max {
        return None;
    }
    let same = |first: u8, second: u8| first.eq_ignore_ascii_case(&second);
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, &byte) in one.iter().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        current.push(row + 1);
        for (column, &found) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(!same(byte, found));
            let mut least = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let is_swapped =
                row > 0 && column > 0 && same(byte, other[column - 1]) && same(one[row - 1], found);
            if is_swapped {
                least = least.min(before_last[column - 1] + 1);
            }
            current.push(least);
        }
        if current.iter().all(|&distance| distance > max) {
            return None;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().filter(|&distance| distance <= max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(name: &str, candidates: &[&'static str]) -> Vec<&'static str> {
        similar(name, candidates.iter().copied())
    }

    #[test]
    fn the_nearest_names_come_first() {
        let names = ["deviceStatus", "deviceStatuses", "userStatuses", "displayName", "id"];
        assert_eq!(near("deviceStatsues", &names), ["deviceStatuses", "deviceStatus"]);
        assert_eq!(near("DISPLAYNAME", &names), ["displayName"]);
        assert_eq!(near("deviceStatu", &names), ["deviceStatus"]);
        assert_eq!(near("ids", &names), ["id"]);
        assert_eq!(near("payload", &names), [""; 0]);
        assert_eq!(near("xa", &["aa", "ab", "ac", "xb", "xc"]), ["aa", "xb", "xc"]);
        assert_eq!(near("", &names), [""; 0]);
    }

    #[test]
    fn long_names_and_long_schemas_are_not_compared() {
        let long = "x".repeat(MAX_LENGTH + 1);
        assert_eq!(similar(&long, [long.as_str()].into_iter()), [""; 0]);
        let shorter = &long[1..];
        assert_eq!(similar(shorter, [long.as_str()].into_iter()), [""; 0]);
        assert_eq!(similar(shorter, [shorter].into_iter()), [shorter]);
        let mut compared = 0;
        similar("a", std::iter::repeat_with(|| "a").inspect(|_| compared += 1).take(MAX_CANDIDATES * 2));
        assert_eq!(compared, MAX_CANDIDATES);
    }

    #[test]
    fn a_list_of_members_is_cut() {
        assert_eq!(list(["A", "B"].into_iter()), " Members: A, B.");
        let cut = list(std::iter::repeat_n("MEMBER", 1000));
        assert!(cut.len() <= MAX_LIST_BYTES + 8 && cut.ends_with("MEMBER, …."), "{cut}");
    }

    /// The definition of the distance, without its shortcuts.
    fn plain_distance(one: &[u8], other: &[u8]) -> usize {
        match (one, other) {
            ([], rest) | (rest, []) => rest.len(),
            ([a, one_rest @ ..], [b, other_rest @ ..]) => {
                let mut least = (plain_distance(one_rest, other_rest)
                    + usize::from(!a.eq_ignore_ascii_case(b)))
                .min(plain_distance(one_rest, other) + 1)
                .min(plain_distance(one, other_rest) + 1);
                if let ([c, one_rest @ ..], [d, other_rest @ ..]) = (one_rest, other_rest)
                    && a.eq_ignore_ascii_case(d)
                    && b.eq_ignore_ascii_case(c)
                {
                    least = least.min(plain_distance(one_rest, other_rest) + 1);
                }
                least
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_the_distance_up_to_the_maximum(one in "[abA]{0,6}", other in "[abA]{0,6}", max in 0_usize..5) {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            let plain = plain_distance(one, other);
            prop_assert_eq!(distance(one, other, max), (plain <= max).then_some(plain));
        }
    }
}
