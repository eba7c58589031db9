//! Why a report cannot be read.

/// Longest file that a report may quote: quoted lines keep their numbers.
pub(crate) const MOST_SOURCE_LINES: usize = 1_000_000;

/// Longest text that a place may be in or cover: that of the longest suite, twice.
pub(crate) const MOST_PLACE: usize = 32 * 1024 * 1024;

/// Longest time of a run, a case or a compilation: a year, in microseconds. Sums of them stay in range.
pub(crate) const MOST_MICROSECONDS: u64 = 366 * 24 * 60 * 60 * 1_000_000;

/// Why a text is not a complete report of a supported version.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is not JSON, or a key is missing or has the wrong type.
    #[error("not a report: {0}")]
    Json(#[from] serde_json::Error),
    /// The last line of an `ndjson` report is missing.
    #[error("the last line is missing: the run was cut off before its end")]
    Truncated,
    /// The format has another version.
    #[error("unsupported report version {0}")]
    Format(u8),
    /// Another version of verify wrote it.
    #[error("it was written by verify {0}, this is verify {own}", own = env!("CARGO_PKG_VERSION"))]
    Tool(String),
    /// The counts of the summary are not those of the cases: the report was changed.
    #[error("the counts of the summary do not match the cases")]
    Counts,
    /// A quoted line has a number that no suite has.
    #[error("line {line} of `{path}` is beyond the limit of {MOST_SOURCE_LINES} lines, of all quoted files together")]
    Line {
        /// The quoted file.
        path: String,
        /// The number of the line.
        line: usize,
    },
    /// A place that is in no file.
    #[error("the report names line {line}, column {column} and length {length} of `{path}`, which no file has")]
    Place {
        /// The file of the place.
        path: String,
        /// Its line.
        line: usize,
        /// Its column.
        column: usize,
        /// Its length.
        length: usize,
    },
    /// A time that no run takes.
    #[error("the report has a time of {0} µs, which no run takes")]
    Time(u64),
    /// An outcome that contradicts the rest of its case.
    #[error("the case `{id}` is `{outcome}`, and has what only a case with another outcome has")]
    Contradiction {
        /// The case.
        id: String,
        /// Its outcome.
        outcome: String,
    },
    /// A suite that is not in the list of suites.
    #[error("unknown suite `{0}`")]
    UnknownSuite(String),
    /// An outcome of a case that this version does not have.
    #[error("unknown outcome `{0}`")]
    UnknownOutcome(String),
    /// A verdict of a step or member that this version does not have.
    #[error("unknown verdict `{0}`")]
    UnknownVerdict(String),
    /// A kind of fault or a stage that this version does not have.
    #[error("unknown kind of error `{0}`")]
    UnknownKind(String),
    /// A case, policy or publication that failed without a reason.
    #[error("the error of `{0}` is missing")]
    MissingError(String),
    /// A digest that is not one of SHA-256.
    #[error("invalid digest `{0}`")]
    Digest(String),
    /// A repository, tag or digest with characters that a shell could interpret.
    #[error("invalid reference `{0}`")]
    Reference(String),
}
