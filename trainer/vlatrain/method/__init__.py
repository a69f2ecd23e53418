"""ICSM, HSW and Thermostat."""
