import type { Body, PoolOptions, SchemaAttribute } from './model.ts';

const PASSWORD_POLICY = {
  MinimumLength: 8,
  RequireUppercase: true,
  RequireLowercase: true,
  RequireNumbers: true,
  RequireSymbols: true,
  TemporaryPasswordValidityDays: 7,
};

const anyAttribute = { DeveloperOnlyAttribute: false, Mutable: true, Required: false };

const text = (Name: string, MinLength = '0', MaxLength = '2048'): SchemaAttribute => ({
  ...anyAttribute,
  Name,
  AttributeDataType: 'String',
  StringAttributeConstraints: { MinLength, MaxLength },
});

const STANDARD_ATTRIBUTES: readonly SchemaAttribute[] = [
  { ...text('sub', '1'), Mutable: false, Required: true },
  ...['name', 'given_name', 'family_name', 'middle_name', 'nickname'].map((name) => text(name)),
  ...['preferred_username', 'profile', 'picture', 'website', 'email'].map((name) => text(name)),
  { ...anyAttribute, Name: 'email_verified', AttributeDataType: 'Boolean' },
  text('gender'),
  text('birthdate', '10', '10'),
  ...['zoneinfo', 'locale', 'phone_number'].map((name) => text(name)),
  { ...anyAttribute, Name: 'phone_number_verified', AttributeDataType: 'Boolean' },
  text('address'),
  { ...anyAttribute, Name: 'updated_at', AttributeDataType: 'Number' },
];

/** The attributes of a new pool: the standard ones, changed as asked for, and its custom ones. */
export function schemaOf(asked: readonly SchemaAttribute[]): SchemaAttribute[] {
  const standard = STANDARD_ATTRIBUTES.map((attribute) => ({
    ...attribute,
    ...asked.find(({ Name }) => Name === attribute.Name),
  }));
  const custom = asked.filter(
    (one) => !STANDARD_ATTRIBUTES.some((attribute) => attribute.Name === one.Name),
  );
  return [...standard, ...custom.map(customAttribute)];
}

export const customAttribute = (asked: SchemaAttribute): SchemaAttribute => ({
  ...anyAttribute,
  AttributeDataType: 'String',
  StringAttributeConstraints: {},
  ...asked,
  Name: `custom:${asked.Name}`,
});

/** The settings that a request asks for, and the service's defaults for the others. */
export function withDefaults(asked: Body): Omit<PoolOptions, 'Id'> {
  const { Policies, AdminCreateUserConfig } = asked as Partial<PoolOptions>;
  return {
    MfaConfiguration: 'OFF',
    DeletionProtection: 'INACTIVE',
    LambdaConfig: {},
    EmailConfiguration: { EmailSendingAccount: 'COGNITO_DEFAULT' },
    VerificationMessageTemplate: { DefaultEmailOption: 'CONFIRM_WITH_CODE' },
    ...asked,
    Policies: {
      ...Policies,
      PasswordPolicy: { ...PASSWORD_POLICY, ...Policies?.PasswordPolicy },
    },
    AdminCreateUserConfig: { AllowAdminCreateUserOnly: false, ...AdminCreateUserConfig },
  };
}
