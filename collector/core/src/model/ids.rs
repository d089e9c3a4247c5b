use uuid::Uuid;

/// Where new ids come from; randomness is an argument. The shell makes UUIDv7, tests count.
pub trait IdSource {
    /// An id that was never given before.
    fn next(&mut self) -> Uuid;
}

impl<F: FnMut() -> Uuid> IdSource for F {
    fn next(&mut self) -> Uuid {
        self()
    }
}
