// SPDX-License-Identifier: MPL-2.0

// Package beneath works on files below an open directory whose tree somebody
// else has made: it follows no link, leaves the directory in no way, and needs
// neither a short path nor a descriptor for each level. A step may make
// directories inside one another as deep as it likes; whoever walks or removes
// them later must not run out of descriptors (RLIMIT_NOFILE may be 256) or of
// the 4,096 bytes that the kernel takes as one path.
//
// Systems other than Linux have no more of it than RemoveAll: only here do steps run.
package beneath
