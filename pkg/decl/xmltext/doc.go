// SPDX-License-Identifier: MPL-2.0

// Package xmltext reads XML files and keeps the way back: each element, attribute and
// character of text has its place in the file, which encoding/xml does not tell. What
// is not well-formed is a finding in words that help, and where it is plain what was
// meant, reading goes on behind it. It writes text and comments too. Which elements
// there are is no matter here.
package xmltext
