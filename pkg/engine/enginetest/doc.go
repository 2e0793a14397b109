// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package enginetest has what the engine's interfaces promise as tests, one function
// for each interface, and fakes of them that need neither rights nor a store. Whoever
// implements such an interface has its function called in a test.
package enginetest
