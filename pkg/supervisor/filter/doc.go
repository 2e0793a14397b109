// SPDX-License-Identifier: MPL-2.0

// Package filter makes the seccomp program of a supervised step: which system calls are
// handed to the supervisor, which are refused, and which pass.
//
// It is a plain function from an architecture to classic BPF instructions (linux/filter.h,
// linux/seccomp.h), and needs neither Linux nor privileges. Installing the program is up
// to the caller.
package filter
