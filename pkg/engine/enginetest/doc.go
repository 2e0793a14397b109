// SPDX-License-Identifier: MPL-2.0

// Package enginetest has what the engine's interfaces promise as tests, one function
// for each interface, and fakes of them that need neither rights nor a store. Whoever
// implements such an interface has its function called in a test.
package enginetest
