//! How long ago something was, as people like it: `5s`, `2m5s`, `3h`, `2d3h`.

use jiff::Timestamp;

use super::UNKNOWN;

/// The time from `since` to `now`, in the real server's steps of precision.
pub(super) fn age(since: &str, now: Timestamp) -> String {
    let Ok(since) = since.parse::<Timestamp>() else {
        return UNKNOWN.to_owned();
    };
    let seconds = now.duration_since(since).as_secs();
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit}{small}{small_unit}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..0 => "<invalid>".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_two_units_while_the_smaller_one_matters() {
        let now: Timestamp = "2025-01-10T00:00:00Z".parse().unwrap();
        for (since, told) in [
            ("2025-01-09T23:59:55Z", "5s"),
            ("2025-01-09T23:57:55Z", "2m5s"),
            ("2025-01-09T23:00:00Z", "60m"),
            ("2025-01-09T20:29:00Z", "3h31m"),
            ("2025-01-07T21:00:00Z", "2d3h"),
            ("2025-01-10T00:00:05Z", "<invalid>"),
            ("", "<unknown>"),
        ] {
            assert_eq!(age(since, now), told, "{since}");
        }
    }
}
