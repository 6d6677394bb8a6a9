//! Takes chance out of a test binary: hash maps and jitter of the standard library, tokio and kube-runtime take their seeds
//! from the C library's `getrandom`, and this one always gives the same bytes.
//!
//! Only a binary that runs whole fleets by a seed may include it.

/// Fills the buffer with bytes that are always the same.
#[unsafe(no_mangle)]
#[allow(
    unsafe_code,
    reason = "replaces the C library's source of chance in this test binary only"
)]
extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller of getrandom(2) promises that `buffer` has room for `length` bytes.
    unsafe { std::ptr::write_bytes(buffer, 0x5a, length) };
    isize::try_from(length).unwrap_or(isize::MAX)
}
