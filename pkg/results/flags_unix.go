// SPDX-License-Identifier: MPL-2.0

//go:build unix

package results

import "golang.org/x/sys/unix"

// untouched are flags for opening nothing that a link leads to, and no device that
// would notice.
const untouched = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
