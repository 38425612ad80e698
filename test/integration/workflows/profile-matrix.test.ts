import { testMatrix } from './matrix-tests.ts';
import { PROFILE_MATRIX } from './profile-matrix.ts';

testMatrix('fast', PROFILE_MATRIX);
