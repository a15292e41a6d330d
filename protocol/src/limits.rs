//! Bounds that both sides keep. A relay may be configured lower, never higher; it tells its own in the hello.

/// Most bytes in one MLS message of a log: a Commit that adds 20 devices to a post-quantum group of 128 is
/// about 350 KB; attachments are cut into pieces of at most this size.
pub const MAX_MESSAGE: usize = 1 << 20;

/// Most bytes in one sealed inbox note: a post-quantum Welcome to a group of 128 is about 350 KB (most of it the
/// ratchet tree), padded to the next size class.
pub const MAX_NOTE: usize = 1 << 20;

/// Most bytes in one KeyPackage: a post-quantum one is 2.6 KB, its certificate chain some 3 KB with an
/// organisation's RSA signature.
pub const MAX_KEY_PACKAGE: usize = 16 << 10;

/// Most single-use KeyPackages that a device keeps at the relay.
pub const MAX_KEY_PACKAGES: usize = 100;

/// Most devices of one professional that a claim answers for.
pub const MAX_DEVICES: usize = 16;

/// Most Welcomes in one bundle: above it a client adds in several Commits.
pub const MAX_WELCOMES: usize = 32;

/// Most cursor moves in one request.
pub const MAX_CURSOR_MOVES: usize = 1_024;

/// Most bytes in one frame, its length prefix not counted: room for a full bundle of the largest Welcomes that
/// occur, and 16 times the largest single message.
pub const MAX_FRAME: usize = 16 << 20;

/// Most bytes of records in one answer to a read; the client asks again from where it ended.
pub const MAX_READ: u64 = 4 << 20;

/// Most nested arrays and maps in a frame: the deepest message of this version has 5 levels, and the rest is
/// room for fields to come.
pub const MAX_DEPTH: usize = 16;

/// Largest sequence number, epoch or time that is decoded: counting on from it cannot overflow within the life of a log,
/// and it fits where signed numbers of 64 bits are kept. As milliseconds it is the year 146 million.
pub const MAX_COUNTER: u64 = (1 << 62) - 1;

/// Most elements in a list of a message: a frame of 16 MiB could otherwise announce millions of tiny ones, each many times
/// larger once it is decoded. The longest lists of this version are cursor moves.
pub const MAX_LIST: usize = 1_024;

/// Most bytes in one list of revoked certificates: 6,500 entries of 40 bytes; an organisation of 10,000 whose
/// tenth part leaves in a year has 1,000 in it, since an entry goes when its certificate expires.
pub const MAX_CRL: usize = 256 << 10;

/// Most issuers whose lists a relay keeps: the 500 organisations of a large region, each with a key before and one after
/// a change.
pub const MAX_CRL_ISSUERS: usize = 1_024;

/// Most bytes in a request for a certificate and in its answer: a request is below 1 KB, an answer two certificates of
/// which an organisation's with an RSA key and 64 functions has 3.5 KB.
pub const MAX_ENROLMENT: usize = 12 << 10;

/// Most bytes in one frame on a connection for enrolment: the largest request and room for what goes around it.
pub const MAX_ENROL_FRAME: usize = 16 << 10;

/// Most tickets, and most requests for renewal, that an organisation has open at once.
pub const MAX_TICKETS: usize = 1_024;

/// Most milliseconds from a ticket's opening to its end: 30 days.
pub const MAX_TICKET_LIFE: u64 = 30 * 24 * 60 * 60 * 1_000;

/// Most devices in one answer of the directory.
pub const MAX_FOUND: usize = 50;

/// Most bytes of what is looked for in the directory.
pub const MAX_SEARCH: usize = 128;
