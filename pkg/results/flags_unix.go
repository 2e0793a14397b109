// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build unix

package results

import "golang.org/x/sys/unix"

// untouched are flags for opening nothing that a link leads to, and no device that
// would notice.
const untouched = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
