// SPDX-License-Identifier: MPL-2.0

package signed

// nonblock is nothing: Windows has no FIFOs in its file systems.
const nonblock = 0
