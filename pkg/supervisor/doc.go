// SPDX-License-Identifier: MPL-2.0

// Package supervisor runs a step in a user namespace that has a single id, so that its
// programs see what root with all ids would see.
//
// A filter of system calls hands those about owners, modes, devices, credentials and
// extended attributes to a supervisor, which is the first process of the step's
// namespaces and itself outside of the filter. It answers them from a model of
// credentials (package creds) and from records of owners (package record), which last
// until the step's layer is made.
//
// It is not a security boundary: that is the user namespace. What a step could not have
// done as root with ids of its own fails, or is done by a root without them. Access to
// files is not refused to a step's other users, and neither are signals.
//
// Only Linux has it.
package supervisor
