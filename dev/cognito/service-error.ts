/** An answer of the service that is an error: `type` is its name in the Cognito API. */
export class ServiceError extends Error {
  readonly type: string;
  readonly status: number;

  constructor(type: string, message: string, status = 400) {
    super(message);
    this.type = type;
    this.status = status;
  }
}

export const userNotFound = (): ServiceError =>
  new ServiceError('UserNotFoundException', 'User does not exist.');

export const invalidParameter = (message: string): ServiceError =>
  new ServiceError('InvalidParameterException', message);

export const notAuthorized = (message: string): ServiceError =>
  new ServiceError('NotAuthorizedException', message);
