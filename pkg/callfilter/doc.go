// SPDX-License-Identifier: MPL-2.0

// Package callfilter makes the programs for seccomp(2) that confine steps: those of package
// chroot altogether, those of an OCI runtime for all that the runtime does not need itself.
package callfilter
