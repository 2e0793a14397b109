// SPDX-License-Identifier: MPL-2.0

// Package enginetest has what the engine's interfaces promise as tests, one function
// for each interface, and fakes of them that need neither rights nor a store. The
// tests of an implementation call the function of its interface.
package enginetest
