// SPDX-License-Identifier: MPL-2.0

// Package doctorcmd has the command doctor, which tries what builds need from a
// host. Only Linux has it.
package doctorcmd
