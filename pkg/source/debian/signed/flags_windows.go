// SPDX-License-Identifier: MPL-2.0

package signed

// nonblock has no effect: Windows has no FIFOs in its file systems.
const nonblock = 0
