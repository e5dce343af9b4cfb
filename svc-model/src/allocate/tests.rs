//! Tables of the allocators.
