// SPDX-License-Identifier: MPL-2.0

package results

// untouched is nothing: Windows has no such flags.
const untouched = 0
