// SPDX-License-Identifier: MPL-2.0

// Package render makes text of what happens and of what is found: the progress of
// a build on a terminal, in a log or as JSON, a failed step with what helps, the table
// of what was written, and the report about a disk. It writes to what it is given.
package render
