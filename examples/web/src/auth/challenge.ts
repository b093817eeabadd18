/**
 * The claims that a `WWW-Authenticate` header demands, as the JSON text that a sign-in library takes; undefined where
 * it demands none. They come in base64, of either alphabet, and padding may be missing.
 */
export function claimsOf(wwwAuthenticate: string | undefined): string | undefined {
  const claims = wwwAuthenticate?.match(/\bclaims="?([\w+/=-]+)/)?.[1];
  return claims && atob(claims.replaceAll('-', '+').replaceAll('_', '/'));
}
