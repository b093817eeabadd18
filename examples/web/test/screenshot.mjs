// Takes the picture of the README: the list with its chart, 1280 by 800 pixels, in the light theme.

import path from 'node:path';

import { folder, open, raise, table } from './stage.mjs';

const stage = await raise();
try {
  const { page, close } = await open(stage, {
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
    locale: 'en-US',
    timezoneId: 'UTC',
  });
  await page.getByRole('figure').waitFor();
  await table(page).waitFor();
  await page.screenshot({ path: path.join(folder, '../../docs/example-app.png') });
  await close();
} finally {
  await stage.stop();
}
