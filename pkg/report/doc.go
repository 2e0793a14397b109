// SPDX-License-Identifier: MPL-2.0

// Package report makes a page of a build that is read without a server and without a
// script: when its stages and steps ran, what takes the space of its root file system,
// what has changed since the build before, and the logs. All text on it comes from
// elsewhere, and none of it can become markup.
//
// It leaves out finding builds and stages.
package report
