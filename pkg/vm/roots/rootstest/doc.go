// SPDX-License-Identifier: MPL-2.0

// Package rootstest has layers in memory for tests of what works on package roots.
package rootstest
