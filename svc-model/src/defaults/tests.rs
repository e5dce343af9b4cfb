//! Tables of defaults.
