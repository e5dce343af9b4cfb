//! Laws of the allocators.
