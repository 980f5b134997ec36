//! pattern (placeholder of this branch until `pattern/` lands)

/// What selects partitions.
pub trait IntoPatterns {}
