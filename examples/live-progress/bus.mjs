// For the file that starts Spanledger and for the application. A report is over with one of these, and so is what a page hears of it.
import { createEventBus } from '@spanledger/node';

export const bus = createEventBus({ terminalEvents: ['report_finished', 'report_failed'] });
