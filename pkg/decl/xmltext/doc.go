// SPDX-License-Identifier: MPL-2.0

// Package xmltext reads XML files and remembers places: each element, attribute and
// character of text has its place in the file, which encoding/xml does not tell.
// Anything that is not well-formed is a finding with a helpful message, and if it is
// clear what was meant, reading continues after it. The package writes text and
// comments too. It does not know which elements there are.
package xmltext
