// SPDX-License-Identifier: MPL-2.0

// Package failure notes in the image of a half-done stage how its step failed and what
// surrounded the step, so that another machine opens the same world. What is noted says
// nothing of the machine that noted it: no proxy, no password, no path. What is read may
// come from anybody, and is checked. Where the image is kept is for the caller.
package failure
