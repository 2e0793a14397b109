// SPDX-License-Identifier: MPL-2.0

// Package git fetches git trees into bare mirrors and checks commits out, with
// the host's git program (2.32 or newer).
//
// A Tree (an address and a revision) is resolved to a Pinned commit; Ensure
// brings the commit into a mirror; Checkout writes its files and a .git of its
// own, without the network. Mirrors are shared by all builds of a user:
//
//	NAME-HASH.git        bare mirror of all branches and tags of an address
//	NAME-HASH.lock       held while the mirror is changed
//	NAME-HASH.use        held shared while it is read, exclusively while it is replaced
//	NAME-HASH.tmp, .old  a mirror that is being made, or was replaced
//	packs/KEY            the pack that a checkout of one commit gets
//
// Data from a remote repository is not trusted: nothing in it starts a program, no
// name in it becomes an option, and a pin is a full object id that was seen to be a
// commit. git hashes objects as they arrive, but the stricter checks of newer versions
// of git are off, since old histories fail them.
//
// Left out: submodules, LFS, signatures.
package git
