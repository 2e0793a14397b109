// SPDX-License-Identifier: MPL-2.0

package registry

// isOurs is always false: there is no XDG_RUNTIME_DIR on Windows.
func isOurs(string) bool { return false }
