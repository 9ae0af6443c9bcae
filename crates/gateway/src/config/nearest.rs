//! The known name that an unknown one was probably meant to be.

/// The candidate with the fewest edits from `wanted`; none if even that one is far off.
pub(super) fn nearest<'name>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'name str>,
) -> Option<&'name str> {
    // A name is short; anything longer is not a slip of the finger and not worth the square.
    const LONGEST: usize = 128;
    if wanted.len() > LONGEST {
        return None;
    }
    let tolerated = (wanted.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .filter(|candidate| !candidate.is_empty())
        .map(|candidate| (slips(wanted, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= tolerated)
        .map(|(_, candidate)| candidate)
}

/// Edits from one name to the other; an end left out (`queue_wait` for `queue_wait_sec`) is one, a word
/// too many at the end (`model_name` for `model`) two.
fn slips(wanted: &str, candidate: &str) -> usize {
    const SHORTEST_STEM: usize = 4;
    let stem = candidate.get(..wanted.len());
    let lost_its_end = stem.is_some_and(|stem| stem.eq_ignore_ascii_case(wanted));
    if lost_its_end && wanted.len() >= SHORTEST_STEM {
        return 1;
    }
    let all = edits(wanted, candidate);
    let (stem, rest) = wanted
        .split_at_checked(candidate.len())
        .unwrap_or((wanted, ""));
    let has_a_word_more = rest.starts_with('_') && stem.eq_ignore_ascii_case(candidate);
    if has_a_word_more && stem.len() >= SHORTEST_STEM {
        return all.min(2);
    }
    all
}

/// Two neighbours swapped count as one edit.
fn edits(left: &str, right: &str) -> usize {
    strsim::osa_distance(&left.to_ascii_lowercase(), &right.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_swap_one_slip_or_one_lost_letter_is_one_edit() {
        assert_eq!(edits("bind", "bnid"), 1);
        assert_eq!(edits("bind", "bint"), 1);
        assert_eq!(edits("bind", "bin"), 1);
        assert_eq!(edits("BIND", "bind"), 0);
        assert_eq!(edits("", "bind"), 4);
    }

    #[test]
    fn a_lost_end_is_one_slip_and_a_longer_name_is_not_its_beginning() {
        let names = ["queue_wait_sec", "queue_depth"];
        assert_eq!(nearest("queue_wait", names), Some("queue_wait_sec"));
        assert_eq!(
            nearest("log_fromat", ["log", "log_format"]),
            Some("log_format")
        );
        assert_eq!(nearest("model_name", ["model", "bind"]), Some("model"));
    }

    #[test]
    fn a_name_that_is_far_from_all_has_no_neighbour() {
        assert_eq!(nearest("colour", ["bind", "drain_sec"]), None);
        assert_eq!(nearest("", ["bind"]), None);
        assert_eq!(nearest(&"a".repeat(1000), ["bind"]), None);
        assert_eq!(
            nearest("drian_sec", ["bind", "drain_sec"]),
            Some("drain_sec")
        );
    }
}
