import { testMatrix } from './matrix-tests.ts';
import { MATRIX } from './matrix.ts';

testMatrix('fast', MATRIX);
