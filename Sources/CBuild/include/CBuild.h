#pragma once

/// The commit that this program was built from, with a `+` behind it where files were changed; `unknown` where there was
/// neither git nor `LOADER_COMMIT`. Package.swift finds it.
const char *_Nonnull build_commit(void);
