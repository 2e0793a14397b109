// SPDX-License-Identifier: MPL-2.0

// Package rootstest has layers in memory, for tests of code that uses package roots.
package rootstest
